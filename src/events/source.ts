/** Who may publish. */

import type { sourceTypes } from "../engine/index.ts";

export type SourceType = (typeof sourceTypes)[number];

/** Of an event that does not say. */
export const defaultSourceType: SourceType = "external";
