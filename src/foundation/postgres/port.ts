/** Finding a loopback port that stays ours over restarts of the server. */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** Below the range from which systems take ports for outgoing connections, so nothing takes it while we restart. */
const lowest = 20_000;
const highest = 30_000;

/** The wanted port if it is free, else a random free one. Another program may still take it before it is used. */
export async function choosePort(wanted: number | undefined): Promise<number> {
  if (wanted !== undefined && (await isFree(wanted))) {
    return wanted;
  }
  for (;;) {
    const port = randomInt(lowest, highest);
    if (await isFree(port)) {
      return port;
    }
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen({ port, host: "127.0.0.1", exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
