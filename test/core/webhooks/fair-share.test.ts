import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CAPACITY, chooseFairly, type Due, SHARES } from '#core/webhooks/fair-share.ts';

/** Names of tenants and endpoints are short so that they meet. */
const deliveries = fc
  .array(fc.record({ tenant: fc.integer({ min: 0, max: 3 }), endpoint: fc.integer({ min: 0, max: 5 }) }), {
    maxLength: 60,
  })
  .map((list) =>
    list.map(({ tenant, endpoint }, index) => due(`d${index}`, `t${tenant}`, `t${tenant}e${endpoint}`, endpoint > 3)),
  );

function due(id: string, tenant: string, endpointId: string, sick = false): Due {
  return { id, tenant, endpointId, sick };
}

function countBy(list: readonly Omit<Due, 'id'>[], key: (item: Omit<Due, 'id'>) => string): number[] {
  return [...Map.groupBy(list, key).values()].map(({ length }) => length);
}

describe('the choice among due deliveries', () => {
  test('keeps the shares of endpoints and tenants and the room, counting what is under way', () => {
    fc.assert(
      fc.property(deliveries, deliveries, fc.nat(20), fc.nat(20), (waiting, before, well, sick) => {
        // what is under way was chosen by the same rules
        const inFlight = chooseFairly(before, { inFlight: [], room: CAPACITY });
        const chosen = chooseFairly(waiting, { inFlight, room: { well, sick } });
        for (const lane of ['well', 'sick'] as const) {
          const isOf = (item: Omit<Due, 'id'>): boolean => item.sick === (lane === 'sick');
          const all = [...inFlight, ...chosen].filter(isOf);
          expect(chosen.filter(isOf).length).toBeLessThanOrEqual(lane === 'sick' ? sick : well);
          expect(Math.max(0, ...countBy(all, ({ endpointId }) => endpointId))).toBeLessThanOrEqual(
            SHARES[lane].perEndpoint,
          );
          expect(Math.max(0, ...countBy(all, ({ tenant }) => tenant))).toBeLessThanOrEqual(SHARES[lane].perTenant);
        }
        expect(new Set(chosen.map(({ id }) => id)).size).toBe(chosen.length);
      }),
    );
  });

  test('gives each tenant its turn before any has a second one', () => {
    const waiting = ['a', 'a', 'a', 'a', 'b', 'c'].map((tenant, index) =>
      due(String(index), tenant, `${tenant}${index}`),
    );
    const chosen = chooseFairly(waiting, { inFlight: [], room: { well: 3, sick: 0 } });
    expect(chosen.map(({ tenant }) => tenant).sort()).toEqual(['a', 'b', 'c']);
  });

  test('begins with the tenant that has the least under way', () => {
    const inFlight = [due('x', 'a', 'a9'), due('y', 'a', 'a8')];
    const chosen = chooseFairly([due('1', 'a', 'a1'), due('2', 'b', 'b1')], { inFlight, room: { well: 1, sick: 0 } });
    expect(chosen.map(({ tenant }) => tenant)).toEqual(['b']);
  });

  test('leaves the places of those who are well to them, however many sick ones wait', () => {
    const sick = Array.from({ length: 500 }, (_, index) => due(`s${index}`, `tenant${index}`, `e${index}`, true));
    const inFlight = sick.slice(0, CAPACITY.sick);
    const room = { well: CAPACITY.well, sick: 0 };
    const chosen = chooseFairly([...sick.slice(CAPACITY.sick), due('w', 'well', 'w1')], { inFlight, room });
    expect(chosen.map(({ id }) => id)).toEqual(['w']);
  });

  test('takes nothing of a tenant’s own share for those of its endpoints that are well', () => {
    const sick = Array.from({ length: 10 }, (_, index) => due(`s${index}`, 'a', `sick${index}`, true));
    const chosen = chooseFairly([...sick, due('w', 'a', 'well')], { inFlight: [], room: CAPACITY });
    expect(chosen.filter((item) => item.sick)).toHaveLength(SHARES.sick.perTenant);
    expect(chosen.some(({ id }) => id === 'w')).toBe(true);
  });

  test('keeps the order of one endpoint’s deliveries', () => {
    const waiting = ['first', 'second', 'third'].map((id) => due(id, 'a', 'e'));
    const chosen = chooseFairly(waiting, { inFlight: [], room: CAPACITY });
    expect(chosen.map(({ id }) => id)).toEqual(['first', 'second']);
  });
});
