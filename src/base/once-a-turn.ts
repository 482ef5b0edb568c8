/** However often it is called, `run` is called once, when all that this turn of the event loop brings has been seen. */
export function onceATurn(run: () => void): () => void {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    setImmediate(() => {
      isDue = false;
      run();
    });
  };
}
