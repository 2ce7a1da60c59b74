export { type AddressJudge, allowEvery, refuseNonPublic } from "./address.ts";
export { createGuardedAgent, type Resolve, systemResolve } from "./connect.ts";
export { readRetryAfter, troubleOf, troubleText } from "./trouble.ts";
