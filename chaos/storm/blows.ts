/** Carries out the plan's blows and notes what each of them hit. */

import { setTimeout as sleep } from "node:timers/promises";
import type { EmbeddedPostgres } from "../../src/foundation/postgres/index.ts";
import { killServer } from "../kill_server.ts";
import { isFlushing, readDiary } from "../node/diary.ts";
import type { Blow, Target } from "../plan.ts";
import type { Crew } from "./crew.ts";
import type { NodeProcess } from "./node_process.ts";

export interface Kill {
  at: number;
  target: Target;
  /** A flush had been sent and its answer had not come. */
  inFlush: boolean;
  /** Of the flush that was struck, where the blow was aimed. */
  laneId?: string;
  seq?: number;
  /** The engines that died. */
  nodeIds: string[];
}

export interface Zombie {
  nodeId: string;
  stoppedAt: number;
  /** Undefined when it was killed while it was stopped. */
  continuedAt?: number;
}

export interface Blows {
  kills: Kill[];
  zombies: Zombie[];
  drains: number;
  added: number;
  play(blows: readonly Blow[]): Promise<void>;
}

const fewest = 2;
const most = 4;

export function createBlows({
  crew,
  postgres,
  say,
}: {
  crew: Crew;
  postgres: EmbeddedPostgres;
  say(text: string): void;
}): Blows {
  const kills: Kill[] = [];
  const zombies: Zombie[] = [];
  const followUps: Promise<void>[] = [];
  const done = { drains: 0, added: 0 };
  let wanted = fewest;

  async function play(blows: readonly Blow[]): Promise<void> {
    const beganMs = performance.now();
    for (const blow of blows) {
      await sleep(Math.max(0, blow.atMs - (performance.now() - beganMs)));
      await strike(blow);
    }
    await Promise.all(followUps);
  }

  async function strike(blow: Blow): Promise<void> {
    switch (blow.kind) {
      case "kill":
        await kill(blow);
        return;
      case "add":
        if (wanted < most) wanted++;
        done.added++;
        say("a node joins");
        followUps.push(crew.enlist());
        return;
      case "drain":
        await drain(blow);
        return;
      case "stop":
        await stop(blow);
    }
  }

  async function kill(blow: Extract<Blow, { kind: "kill" }>): Promise<void> {
    const node = await crew.choose(blow.pick);
    const hit = blow.aimed ? await killInFlush(node, blow) : await killAnywhere(node, blow.target);
    if (hit === undefined) {
      // The node had just died of something else; the blow falls on the next one.
      await kill(blow);
      return;
    }
    if (blow.target === "all") {
      const others = crew.everyone.filter(({ state }) => state !== "gone");
      await Promise.all(others.map((other) => crew.kill(other)));
      hit.nodeIds.push(...others.map(({ nodeId }) => nodeId).filter((nodeId) => nodeId !== ""));
    }
    kills.push(hit);
    say(`killed ${blow.target}${hit.inFlush ? " inside a flush" : ""}`);
    if (blow.target !== "postgres") followUps.push(replace(blow.backAfterMs));
  }

  async function killInFlush(
    node: NodeProcess,
    blow: { target: Target; afterSentUs: number },
  ): Promise<Kill | undefined> {
    const { target, afterSentUs } = blow;
    const self = target !== "postgres";
    // Between two servers there is none to kill.
    while (target !== "node" && postgres.pid === undefined) await sleep(10);
    const postgresPid = target === "node" ? undefined : postgres.pid;
    const answer = await node.ask({
      ask: "strike",
      self,
      afterSentUs,
      ...(postgresPid === undefined ? {} : { postgresPid }),
    });
    if (self) {
      if (answer.outcome !== "unknown") return undefined;
      await node.exited;
    }
    const strike = readDiary(node.diaryPath).findLast((line) => line.kind === "strike");
    if (strike === undefined || (!self && answer.outcome === "unknown")) return undefined;
    const { at, inFlush, laneId, seq } = strike;
    return { at, target, inFlush, laneId, seq, nodeIds: self ? [node.nodeId] : [] };
  }

  async function killAnywhere(node: NodeProcess, target: Target): Promise<Kill> {
    while (target !== "node" && postgres.pid === undefined) await sleep(10);
    const flushing = () => crew.living.some(({ diaryPath }) => isFlushing(diaryPath));
    const before = flushing();
    const at = Date.now();
    if (target !== "node") killServer(postgres.pid!);
    const inFlush = target !== "node" && before && flushing();
    if (target === "postgres") return { at, target, inFlush, nodeIds: [] };
    await crew.kill(node);
    return { at, target, inFlush: inFlush || isFlushing(node.diaryPath), nodeIds: [node.nodeId] };
  }

  async function replace(afterMs: number): Promise<void> {
    await sleep(afterMs);
    while (
      crew.everyone.filter(({ state }) => state === "live" || state === "starting" || state === "stopped").length <
      wanted
    ) {
      await crew.enlist();
    }
  }

  async function drain(blow: Extract<Blow, { kind: "drain" }>): Promise<void> {
    const node = await crew.choose(blow.pick);
    done.drains++;
    say(`${node.name} drains`);
    if (wanted > fewest) wanted--;
    followUps.push(crew.drain(node), replace(blow.backAfterMs));
  }

  /** A zombie: stopped for longer than its lease, then continued, believing that no time has passed. */
  async function stop(blow: Extract<Blow, { kind: "stop" }>): Promise<void> {
    const node = await crew.choose(blow.pick);
    const zombie: Zombie = { nodeId: node.nodeId, stoppedAt: Date.now() };
    node.signal("SIGSTOP");
    node.state = "stopped";
    zombies.push(zombie);
    say(`${node.name} stops for ${blow.stoppedMs} ms`);
    followUps.push(
      sleep(blow.stoppedMs).then(() => {
        if (node.state !== "stopped") return;
        zombie.continuedAt = Date.now();
        node.signal("SIGCONT");
        node.state = "live";
      }),
    );
  }

  return {
    kills,
    zombies,
    get drains() {
      return done.drains;
    },
    get added() {
      return done.added;
    },
    play,
  };
}
