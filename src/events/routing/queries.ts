/** What routing reads of its own: the revision of all that it loads, and the wait shapes. */
import { pathKeys, type WaitShape } from "../../engine/index.ts";
import { type Db, statement } from "../../foundation/database/index.ts";

export const readRevision = statement(
  "events.read_routing_revision",
  "select revision from event_processing_service.routing_revision",
);

const countShapes = statement(
  "events.count_wait_shapes",
  "select count(*) as count from event_processing_service.event_wait_shapes",
);

const readShapes = statement(
  "events.read_wait_shapes",
  "select namespace, pattern, paths from event_processing_service.event_wait_shapes",
);

export interface ShapeRow extends WaitShape {
  namespace: string;
}

/** All wait shapes, or undefined when there are as many as are known: shapes come and never go or change. */
export async function loadWaitShapes(db: Db, known: number | undefined): Promise<ShapeRow[] | undefined> {
  if (known !== undefined) {
    const [row] = await db.query<{ count: number }>(countShapes);
    if (row?.count === known) return undefined;
  }
  const rows = await db.query<{ namespace: string; pattern: string; paths: string[] }>(readShapes);
  return rows.map(({ paths, ...row }) => ({ ...row, paths: paths.map(pathKeys) }));
}
