/** The events of a stream over as many connections as it takes, also when the connection or the node goes meanwhile. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, StreamBroken } from "../client.ts";
import { CommandError, exitCodes } from "../exit.ts";

const reconnectAfterMs = 1_000;
/** How long nobody may answer before it gives up: longer than a restart, and than a takeover. */
const giveUpAfterMs = 60_000;

export interface StreamEvent {
  name: string;
  data: unknown;
}

/** Each event that has an id comes once. Ends after the event `end`. */
export async function* followed(client: Client, path: string, signal: AbortSignal): AsyncGenerator<StreamEvent> {
  let lastEventId: string | undefined;
  let answeredAt = performance.now();
  for (;;) {
    try {
      for await (const event of client.events(path, { lastEventId })) {
        answeredAt = performance.now();
        if (event.id !== undefined) lastEventId = event.id;
        yield { name: event.event ?? "message", data: JSON.parse(event.data) };
        if (event.event === "end") return;
      }
    } catch (error) {
      const passes =
        error instanceof StreamBroken ||
        (error instanceof CommandError && error.exitCode === exitCodes.unreachable && lastEventId !== undefined);
      if (!passes || performance.now() - answeredAt > giveUpAfterMs) throw error;
    }
    // The server drains, or is gone for a moment.
    await sleep(reconnectAfterMs, undefined, { signal }).catch(() => {
      throw new CommandError(exitCodes.interrupted, "Interrupted");
    });
  }
}
