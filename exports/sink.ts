/** Where the bytes of a file go. */
export interface Sink {
  /** Whether somebody still takes them. */
  readonly isOpen: boolean;
  /** Takes bytes, and waits until most of them have gone on. The bytes must not change meanwhile. */
  write(bytes: string | Uint8Array): Promise<void>;
}
