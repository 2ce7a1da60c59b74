/** The built-in `fail`: `{ code, message, category?, details? }` fails the step, by default as BUSINESS and so for good. */

import { errorCategories } from "../engine/index.ts";
import type { TaskHandler } from "./contract.ts";
import { TaskError } from "./contract.ts";
import { inputError, nameOf, readObject, readText } from "./input.ts";

const codePattern = /^[A-Za-z0-9_.:-]{1,100}$/;

export const fail: TaskHandler = (input) => {
  const fields = readObject("fail", input, ["code", "message", "category", "details"]);
  const code = readText("fail", fields, "code");
  if (!codePattern.test(code)) {
    throw inputError(
      "fail",
      '"code" holds other signs than letters, digits, _ . : - or is longer than 100; OUT_OF_STOCK would be right',
    );
  }
  const wanted = fields.category ?? "BUSINESS";
  const category = errorCategories.find((name) => name === wanted);
  if (category === undefined) {
    throw inputError(
      "fail",
      `"category" is ${typeof wanted === "string" ? `"${wanted.slice(0, 50)}"` : nameOf(wanted)}; one of ${errorCategories.join(", ")} is expected`,
    );
  }
  throw new TaskError({ code, category, message: readText("fail", fields, "message"), details: fields.details });
};
