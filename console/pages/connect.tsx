/** Connects an organization. */
export function Connect() {
  return <h1>Connect an organization</h1>;
}
