/**
 * The loops of a directed graph: its strongly connected components that have an edge inside. Tarjan's
 * algorithm with a stack of its own, so a long chain cannot overflow ours; linear in nodes and edges. Targets that are
 * no keys of `follows` are ignored.
 */
export function findLoops(follows: ReadonlyMap<string, readonly string[]>): string[][] {
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const isOpen = new Set<string>();
  const loops: string[][] = [];

  const enter = (node: string) => {
    order.set(node, order.size);
    lowest.set(node, order.size - 1);
    open.push(node);
    isOpen.add(node);
    return { node, next: 0 };
  };
  const lower = (node: string, candidate: number) => lowest.set(node, Math.min(lowest.get(node)!, candidate));

  for (const start of follows.keys()) {
    const path = order.has(start) ? [] : [enter(start)];
    while (path.length > 0) {
      const place = path.at(-1)!;
      const target = follows.get(place.node)![place.next++];
      if (target !== undefined) {
        if (!follows.has(target)) continue;
        if (!order.has(target)) path.push(enter(target));
        else if (isOpen.has(target)) lower(place.node, order.get(target)!);
        continue;
      }
      path.pop();
      const parent = path.at(-1);
      if (parent !== undefined) lower(parent.node, lowest.get(place.node)!);
      if (lowest.get(place.node) !== order.get(place.node)) continue;
      const component = open.splice(open.lastIndexOf(place.node));
      for (const node of component) isOpen.delete(node);
      if (component.length > 1 || follows.get(place.node)!.includes(place.node)) loops.push(component);
    }
  }
  return loops;
}
