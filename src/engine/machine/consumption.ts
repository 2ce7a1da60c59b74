/**
 * Which events an instance has consumed: each of them ends one of its waits, whatever waits are open later.
 *
 * The newest thousand are remembered one by one. Of what is older all counts as consumed, so an instance that has taken a
 * thousand events does not look back behind the oldest of those that it remembers.
 */

import type { ConsumedEvent, InstanceState } from "./state.ts";

/** So many are remembered one by one. */
export const rememberedEvents = 1_000;

export function isConsumed({ consumed, consumedBefore }: InstanceState, event: ConsumedEvent): boolean {
  if (consumedBefore !== undefined && order(event, consumedBefore) <= 0) return true;
  return consumed?.some(({ id }) => id === event.id) === true;
}

export function consume(state: InstanceState, { id, acceptedAt }: ConsumedEvent): void {
  const consumed = [...(state.consumed ?? []), { id, acceptedAt }];
  state.consumed = consumed;
  if (consumed.length <= rememberedEvents) return;
  const oldest = consumed.reduce((one, other) => (order(other, one) < 0 ? other : one));
  consumed.splice(consumed.indexOf(oldest), 1);
  state.consumedBefore = oldest;
}

/** The order in which events are looked back at. */
function order(one: ConsumedEvent, other: ConsumedEvent): number {
  if (one.acceptedAt !== other.acceptedAt) return one.acceptedAt - other.acceptedAt;
  if (one.id === other.id) return 0;
  return one.id < other.id ? -1 : 1;
}
