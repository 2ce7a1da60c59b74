/** What running a node once costs, without the rounds of loops inside it, which charge for themselves. */
import type { Node } from "./syntax.ts";

/** Units of the budget, from measurements: a list or map made costs several times what a read does. */
export function weigh(node: Node): number {
  switch (node.kind) {
    case "literal":
      return 0;
    case "name":
      return 1;
    case "select":
    case "has":
      return 1 + weigh(node.of);
    case "index":
      return 1 + weigh(node.of) + weigh(node.key);
    case "list":
      return 6 + 2 * node.items.length + sum(node.items);
    case "map":
      return 10 + 6 * node.entries.length + sum(node.entries.flat());
    case "message":
      return 20 + sum(node.fields);
    case "all":
    case "any":
      return node.terms.length + sum(node.terms);
    case "choice":
      return 1 + weigh(node.condition) + weigh(node.yes) + weigh(node.no);
    case "loop":
      return 12 + weigh(node.range);
    case "call":
      return 3 + (node.target ? weigh(node.target) : 0) + sum(node.args);
  }
}

function sum(nodes: readonly Node[]): number {
  return nodes.reduce((total, node) => total + weigh(node), 0);
}
