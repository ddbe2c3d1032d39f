import { setFlagsFromString } from "node:v8";

/**
 * V8's space for young objects doubles while a program loads, and stays as large: what a start makes once, the
 * server would pay for as long as it runs. It may grow again, with the work, once the start is done.
 */
export async function inSmallYoungHeap<T>(start: () => Promise<T>): Promise<T> {
  setFlagsFromString("--semi-space-growth-factor=1");
  try {
    return await start();
  } finally {
    setFlagsFromString("--semi-space-growth-factor=2");
  }
}
