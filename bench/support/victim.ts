/** The program that `takeover.ts` kills: a node with workflows whose second step goes on until the node dies. */
import { setTimeout as sleep } from "node:timers/promises";
import { startNode } from "./node.ts";
import { takeoverLeaseMs, type VictimReport } from "./takeover.ts";
import { handlers, inputOf, namespace, taskIdOf, threeSteps } from "./workload.ts";

const count = 200;
const pollMs = 5;

let stuck = 0;
const node = await startNode(
  { url: process.argv[2]! },
  {
    leaseMs: takeoverLeaseMs,
    handlers: {
      ...handlers(() => {}),
      [taskIdOf(1)]: () => {
        stuck++;
        return new Promise(() => {});
      },
    },
  },
);
const instanceIds: string[] = [];
for (let order = 0; order < count; order++) {
  const start = { namespace, definitionId: threeSteps.workflowId, input: inputOf(order) };
  instanceIds.push((await node.engine.startInstance(start)).instanceId);
}
while (stuck < count) await sleep(pollMs);
const report: VictimReport = { instanceIds };
process.send!(report);
