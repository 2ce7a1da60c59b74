/** What triggers of kind schedule need of whoever owns schedules; `app.ts` hands it over. */
import type { Json } from "../../engine/index.ts";
import type { Db } from "../../foundation/database/index.ts";
import type { TriggerFields } from "./model.ts";

export interface TriggerSchedules {
  /** Makes the schedule of a trigger, in its transaction, and gives its id. Throws for a document that is no schedule. */
  create(
    tx: Db,
    what: {
      namespace: string;
      createdBy: string;
      triggerId: string;
      fields: TriggerFields;
      schedule: { [field: string]: Json };
      input: Json | undefined;
    },
  ): Promise<string>;
  setEnabled(tx: Db, what: { namespace: string; scheduleId: string; enabled: boolean }): Promise<void>;
  remove(tx: Db, what: { namespace: string; scheduleId: string }): Promise<void>;
}
