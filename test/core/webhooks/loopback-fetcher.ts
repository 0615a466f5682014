import { createPinnedFetcher, type PinnedFetcher } from '#core/outbound/pinned-fetcher.ts';
import { createAddressPolicy } from '#core/outbound/public-address.ts';

/** Reaches 127.0.0.1 and nothing else; every name is there. */
export function loopbackFetcher(): PinnedFetcher {
  return createPinnedFetcher({
    isAllowed: createAddressPolicy(['127.0.0.1/32']),
    resolveHost: async () => [{ address: '127.0.0.1', family: 4 }],
  });
}
