/** Who may publish. */

export const sourceTypes = ["workflow", "task", "integration", "external", "system", "service"] as const;
export type SourceType = (typeof sourceTypes)[number];

/** Of an event that does not say. */
export const defaultSourceType: SourceType = "external";
