import { AsyncResource } from 'node:async_hooks';

/**
 * The same work, in whichever trace `untraced` was called in: in none, when that was while the program was put together. What runs
 * by itself is often begun by a request (the first to use a database, say), whose trace it would otherwise belong to for ever.
 */
export function untraced<Parameters extends unknown[], Result>(
  work: (...parameters: Parameters) => Result,
): (...parameters: Parameters) => Result {
  return AsyncResource.bind(work);
}
