/** What can have run when a step runs, over lists of steps that stand inside one another. */
import { type Graph, reachableFrom } from "./graph.ts";
import { around, type Place, type StepList } from "./nesting.ts";

export type Order =
  /** It can have completed. */
  | { kind: "before" }
  /** No path leads from it to the reader. */
  | { kind: "never" }
  /** It is in another branch of the same step, and may not have run yet. */
  | { kind: "beside" }
  /** It runs once for each item of `map`, inside which the reader is not. */
  | { kind: "inside"; map: Place };

/** How `read` stands to whoever reads it: a step, or undefined for what stands outside of all steps. */
export type OrderOf = (read: Place, reader: Place | undefined) => Order;

/** Above this many steps paths are not looked at: they cost a walk for each step that is read. */
const maxOrderedSteps = 500;

export function createOrder(graph: Graph): OrderOf {
  const after = new Map<Place, ReadonlySet<Place>>();
  const leadsTo = (from: Place, to: Place): boolean => {
    if (graph.places.size > maxOrderedSteps) return true;
    const known = after.get(from) ?? reachableFrom(graph, graph.follows(from));
    after.set(from, known);
    return known.has(to);
  };
  return (read, reader) => {
    const map = mapAround(read, reader);
    if (map !== undefined) return { kind: "inside", map };
    if (reader === undefined || read === reader) return { kind: "before" };
    const lists = new Set(around(reader.list));
    const common = [...around(read.list)].find((list) => lists.has(list))!;
    const [first, then] = [standIn(read, common), standIn(reader, common)];
    if (first !== then) return { kind: leadsTo(first, then) ? "before" : "never" };
    // A step reads one inside itself, or one that is around itself, which ran only if it comes again.
    if (then === reader) return { kind: "before" };
    if (first === read) return { kind: leadsTo(first, first) ? "before" : "never" };
    return { kind: "beside" };
  };
}

/** The outermost MAP that the step is inside of and the reader is not. */
function mapAround(read: Place, reader: Place | undefined): Place | undefined {
  const lists = new Set<StepList>(around(reader?.list));
  return [...around(read.list)].findLast((list) => list.kind === "item" && !lists.has(list))?.container;
}

/** The step of `list` that is the place, or that it is inside of. */
function standIn(place: Place, list: StepList): Place {
  let at = place;
  while (at.list !== list) at = at.list.container!;
  return at;
}
