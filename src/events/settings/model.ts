/** How a namespace checks its events. */

/**
 * - `open`: names without a definition pass; what has one must fit it.
 * - `strict`: names without a definition are refused too.
 * - `lenient`: what `strict` refuses is accepted, as a dead letter.
 */
export const validationModes = ["open", "strict", "lenient"] as const;
export type ValidationMode = (typeof validationModes)[number];
