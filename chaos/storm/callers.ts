/**
 * The callers: start instances, and signal, cancel, pause, retry, restart or migrate them, as a careful outside program
 * does. Every answer is kept; what got none is sent again where that is safe, and kept as unknown where it is not.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { PlannedStart } from "../plan.ts";
import { nextVersions } from "../shapes/index.ts";
import type { Act } from "../shapes/shape.ts";
import type { Crew } from "./crew.ts";
import type { Answer, NodeProcess } from "./node_process.ts";

/** One start and what was answered. */
export interface Started {
  /** Its correlation id: finds the instance whatever became of the answer. */
  name: string;
  planned: PlannedStart;
  /** Every id that was answered; a keyed start has one, however often it was answered. */
  instanceIds: Set<string>;
  /** At least one try got no answer. */
  unknown: boolean;
  /** A cancel was accepted. */
  cancelled: boolean;
  /** Ids of restarts that were answered. */
  restarts: Set<string>;
}

export interface Callers {
  started: Started[];
  /** Rows of events that were answered. */
  published: Set<string>;
  /** Answers that no caller should get. */
  faults: string[];
  /** How the requests were answered, by outcome or by the refusal's code. */
  answers: Map<string, number>;
  play(starts: readonly PlannedStart[]): Promise<void>;
  /** What the planned follow-ups of an instance are, done now: for a start whose answer was lost. */
  followUp(start: Started, instanceId: string): Promise<void>;
}

const namespace = "default";
const betweenTriesMs = 250;

export function createCallers(crew: Crew): Callers {
  const started: Started[] = [];
  const published = new Set<string>();
  const faults: string[] = [];
  const answers = new Map<string, number>();

  async function ask(node: NodeProcess, what: Parameters<NodeProcess["ask"]>[0]): Promise<Answer> {
    const answer = await node.ask(what);
    const label = `${what.ask}: ${answer.outcome === "refused" ? answer.code : answer.outcome}`;
    answers.set(label, (answers.get(label) ?? 0) + 1);
    if (answer.outcome === "refused" && answer.kind === "internal") faults.push(`${label}: ${answer.message}`);
    // The refusal itself says that nobody knows.
    return answer.outcome === "refused" && answer.code === "engine.interrupted" ? { outcome: "unknown" } : answer;
  }

  async function play(starts: readonly PlannedStart[]): Promise<void> {
    const beganMs = performance.now();
    const under: Promise<void>[] = [];
    for (const planned of starts) {
      await sleep(Math.max(0, planned.atMs - (performance.now() - beganMs)));
      under.push(playOne(planned));
    }
    await Promise.all(under);
  }

  /** A start with a key is sent until it is answered. One without is given up when it may have been heard, for another. */
  async function playOne(planned: PlannedStart): Promise<void> {
    const keyed = planned.drawn.keyed === true;
    for (let tries = 1; ; tries++) {
      const name = tries === 1 ? planned.name : `${planned.name}, again ${tries}`;
      const start: Started = {
        ...{ name, planned, instanceIds: new Set(), unknown: false, cancelled: false, restarts: new Set() },
      };
      started.push(start);
      await (keyed ? Promise.all([sendStart(start), sendStart(start)]) : sendStart(start));
      const [instanceId] = start.instanceIds;
      if (instanceId === undefined) continue;
      await followUp(start, instanceId);
      return;
    }
  }

  async function sendStart(start: Started): Promise<void> {
    const { workflowId, drawn } = start.planned;
    const key = drawn.keyed === true ? { idempotencyKey: start.name } : {};
    const request = { namespace, definitionId: workflowId, input: drawn.input, correlationId: start.name, ...key };
    for (;;) {
      const answer = await ask(await crew.anyone(), { ask: "start", request });
      if (answer.outcome === "accepted") {
        start.instanceIds.add((answer.value as { instanceId: string }).instanceId);
        return;
      }
      await sleep(betweenTriesMs);
      if (answer.outcome === "unknown") {
        start.unknown = true;
        if (drawn.keyed !== true) return;
      }
    }
  }

  async function followUp(start: Started, instanceId: string): Promise<void> {
    await Promise.all(
      start.planned.drawn.followUps.flatMap((one) => {
        const once = async () => {
          await sleep(one.afterMs);
          await sendFollowUp(start, instanceId, one.act);
        };
        return one.twice === true ? [once(), once()] : [once()];
      }),
    );
  }

  async function sendFollowUp(start: Started, instanceId: string, act: Act): Promise<void> {
    for (let tries = 1; tries <= mostTries; tries++) {
      const answer = await ask(await crew.anyone(), requestOf(start, instanceId, act));
      if (answer.outcome === "accepted") {
        if (act.kind === "publish") for (const { id } of answer.value as { id: string }[]) published.add(id);
        if (act.kind === "cancel") start.cancelled = true;
        if (act.kind === "restart") start.restarts.add((answer.value as { instanceId: string }).instanceId);
        return;
      }
      if (answer.outcome === "refused") {
        if (answer.kind === "not_found") faults.push(`${instanceId} was accepted and is not found: ${answer.message}`);
        const over = answer.kind === "conflict" || answer.kind === "not_found" || answer.kind === "invalid";
        if (over && !isEarly(act, answer.message)) return;
      }
      await sleep(betweenTriesMs);
    }
  }

  return { started, published, faults, answers, play, followUp };
}

/** Of one act: longer than any outage. */
const mostTries = 400;

/** It has not failed yet, or has not come to the step yet: whoever waits may ask again. */
function isEarly({ kind }: Act, message: string): boolean {
  if (kind === "retry") return /is (CREATED|RUNNING|WAITING_FOR_EVENT)/.test(message);
  return kind === "restart" && message.includes("never ran");
}

function requestOf(start: Started, instanceId: string, act: Act): Parameters<NodeProcess["ask"]>[0] {
  const request = { namespace, instanceId, requestedBy: "caller" };
  switch (act.kind) {
    case "signal": {
      const { type, payload, key } = act;
      const keyed = key === undefined ? {} : { idempotencyKey: key };
      return { ask: "signal", request: { namespace, instanceId, type, payload, ...keyed } };
    }
    case "publish": {
      const { pattern, eventId, payload } = act;
      return { ask: "publish", events: [{ namespace, pattern, eventId, sourceKey: start.name, payload }] };
    }
    case "cancel":
      return { ask: "cancel", request: { ...request, reason: "chaos", compensate: act.compensate } };
    case "skip":
      return { ask: "skip", request: { ...request, stepId: act.stepId } };
    case "priority":
      return { ask: "priority", request: { ...request, priority: act.priority } };
    case "migrate": {
      const { definitionId } = nextVersions.get(start.planned.workflowId)!;
      return { ask: "migrate", request: { ...request, definitionId } };
    }
    case "restart": {
      const { fromStepId } = act;
      return { ask: "restart", request: { ...request, fromStepId, idempotencyKey: `again ${start.name}` } };
    }
    default:
      return { ask: act.kind, request };
  }
}
