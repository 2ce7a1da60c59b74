/** The webhook to which the deliveries go, as GitHub would send them: signed with a secret that both sides know. */
import { createHmac, randomBytes } from "node:crypto";
import type { Millrace } from "millrace";
import type { Delivery } from "./deliveries.ts";

export interface Hook {
  /** Where GitHub would be told to deliver to. */
  address: string;
  secret: string;
}

/** A trigger of kind webhook: each call is an event `github.<kind>.<action>`, and starts the workflow. */
export async function openHook(millrace: Millrace, url: string): Promise<Hook> {
  const secret = randomBytes(24).toString("base64url");
  const { id } = await millrace.trigger({
    name: "github",
    kind: "webhook",
    description: "Deliveries of GitHub, for triage",
    definitionId: "github-triage",
    webhook: { verification: "github", secret, headers: ["X-GitHub-Event", "X-GitHub-Delivery"] },
    inputMapping: { kind: 'event.metadata.headers["x-github-event"]', payload: "payload" },
    correlationKey: 'event.metadata.headers["x-github-delivery"]',
  });
  return { address: `${url}/api/v1/hooks/${id}`, secret };
}

/** What GitHub's documentation says of a delivery: https://docs.github.com/webhooks/webhook-events-and-payloads. */
export async function deliver({ address, secret }: Hook, { name, kind, payload }: Delivery): Promise<void> {
  const body = JSON.stringify(payload);
  const answer = await fetch(address, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "user-agent": "GitHub-Hookshot/example",
      "x-github-event": kind,
      "x-github-delivery": name,
      "x-hub-signature-256": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`,
    },
    body,
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`The delivery ${name} was answered with ${answer.status}: ${text}`);
}
