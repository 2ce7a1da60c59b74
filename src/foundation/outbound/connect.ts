/**
 * Connections that are judged when they are made.
 *
 * The judge sees the very addresses that the socket will connect to: names in the look-up of that connection, literal
 * addresses just before it. A name that resolves to something public when checked and to something private when used
 * (DNS rebinding) has no gap to slip through, and redirects are covered because they connect like anything else.
 * Connections that are kept alive were judged when they were opened. Proxies named by the environment are not used.
 */

import { type LookupAddress, lookup as systemLookup } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { Agent, buildConnector } from "undici";
import type { AddressJudge } from "./address.ts";

/** Finds every address of a name, like `dns.lookup` with `all`. */
export type Resolve = (hostname: string, done: (error: Error | null, addresses: LookupAddress[]) => void) => void;

export const systemResolve: Resolve = (hostname, done) => systemLookup(hostname, { all: true }, done);

export class AddressRefused extends Error {
  override readonly name = "AddressRefused";
  readonly code = "ADDRESS_REFUSED";
}

export interface GuardedAgentOptions {
  judge: AddressJudge;
  resolve: Resolve;
  connectTimeoutMs: number;
}

/** An undici agent whose every connection passes `judge`. HTTP/1.1, at most 64 connections per origin. */
export function createGuardedAgent({ judge, resolve, connectTimeoutMs }: GuardedAgentOptions): Agent {
  const connect = buildConnector({
    timeout: connectTimeoutMs,
    allowH2: false,
    lookup: guardedLookup(judge, resolve),
  });
  return new Agent({
    connections: 64,
    // The request's own deadline decides; these would only add a second, coarser one.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect(options, callback) {
      const host = options.hostname.replace(/^\[(.*)\]$/, "$1");
      const refusal = isIP(host) === 0 ? undefined : judge(host);
      if (refusal !== undefined) return callback(refused(host, `${host} ${refusal}`), null);
      connect({ ...options, hostname: host }, callback);
    },
  });
}

/** A look-up that gives only addresses which the judge lets pass, and fails when it lets none pass. */
function guardedLookup(judge: AddressJudge, resolve: Resolve): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, (error, addresses) => {
      if (error !== null) return callback(error, []);
      const family =
        options.family === 4 || options.family === "IPv4"
          ? 4
          : options.family === 6 || options.family === "IPv6"
            ? 6
            : 0;
      const allowed: LookupAddress[] = [];
      const refusals: string[] = [];
      for (const found of addresses) {
        if (family !== 0 && found.family !== family) continue;
        const refusal = judge(found.address);
        if (refusal === undefined) allowed.push(found);
        else refusals.push(`${found.address} ${refusal}`);
      }
      const first = allowed[0];
      if (first !== undefined)
        return options.all ? callback(null, allowed) : callback(null, first.address, first.family);
      if (refusals.length > 0) return callback(refused(hostname, refusals.join(", ")), []);
      callback(Object.assign(new Error(`${hostname} has no address`), { code: "ENOTFOUND" }), []);
    });
  };
}

function refused(host: string, reasons: string): AddressRefused {
  return new AddressRefused(
    `Connecting to ${host} is not allowed: ${reasons}. MILLRACE_ALLOW_PRIVATE_ADDRESSES would allow it`,
  );
}
