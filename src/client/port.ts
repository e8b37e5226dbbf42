/** The part of a Worker (or MessagePort) that clients use, so that tests can run both sides on one thread. */
export interface Port<Out, In> {
  post(message: Out, transfer?: Transferable[]): void;
  /** Called once, before the first message. `onFailure`: the other side died, with its reason. */
  listen(onMessage: (message: In) => void, onFailure: (reason: string) => void): void;
  /** Ends the other side at once. */
  close(): void;
}

/** A dedicated worker as a port. */
export function workerPort<Out, In>(worker: Worker): Port<Out, In> {
  return {
    post: (message, transfer = []) => worker.postMessage(message, transfer),
    listen(onMessage, onFailure) {
      worker.onmessage = (event: MessageEvent<In>) => onMessage(event.data);
      worker.onerror = (event) => {
        event.preventDefault();
        onFailure(event.message || "the worker could not be started");
      };
      worker.onmessageerror = () => onFailure("a message of the worker could not be read");
    },
    close: () => worker.terminate(),
  };
}
