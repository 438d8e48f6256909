/**
 * One turn of the event loop: what could go on now has gone on. For what is to be shown not to happen, of which there is no
 * event to await.
 */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
