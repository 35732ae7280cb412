/** A request to the control surface that the simulator cannot carry out. The message names what is wrong with it. */
export class ControlError extends Error {
  override readonly name = 'ControlError';
}
