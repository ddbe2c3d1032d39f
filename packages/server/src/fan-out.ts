/** Several who want to know the same, told in the order in which they subscribed, each awaited. */
export interface FanOut<Event> {
  subscribe(listener: (event: Event) => Promise<void>): void;
  /** Resolves when all have taken it; rejects with the first refusal, so that the teller repeats it. */
  tell(event: Event): Promise<void>;
}

export function createFanOut<Event>(): FanOut<Event> {
  const listeners: ((event: Event) => Promise<void>)[] = [];
  return {
    subscribe(listener) {
      listeners.push(listener);
    },
    async tell(event) {
      for (const listener of listeners) await listener(event);
    },
  };
}
