/**
 * The register of every constant SQL statement of the program.
 *
 * A statement has a name (`room.verb_object`) under which the server keeps it prepared, one per connection, so the
 * name must be unique in the program and its text must never be assembled. The register is what lets a test
 * prepare every statement of the program against the migrated schema.
 */

export interface Statement {
  readonly name: string;
  readonly text: string;
}

const registered = new Map<string, Statement>();

/** `room.name`, at most 63 bytes: PostgreSQL cuts longer names, and two cut names could meet. */
const wellFormed = /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$/;

/** Declares a statement. Throws when the name is taken or is not of the form `room.name`. */
export function statement(name: string, text: string): Statement {
  if (!wellFormed.test(name) || name.length > 60) {
    throw new Error(`The statement name "${name}" must look like room.verb_object and have at most 60 characters.`);
  }
  if (registered.has(name)) {
    throw new Error(`The statement name "${name}" is declared twice.`);
  }
  const declared: Statement = Object.freeze({ name, text: text.trim() });
  registered.set(name, declared);
  return declared;
}

/** Every statement of the modules loaded so far, by name. */
export function allStatements(): Statement[] {
  return [...registered.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
