/** Programs: each definition is loaded and compiled once, and kept as long as there is room. */

import type { Program } from "../machine/program.ts";

/** Programs kept; beyond, the oldest goes. */
const programLimit = 1_000;

export interface Programs {
  load(definitionId: string): Promise<Program>;
  /** The program when it is at hand. */
  compiled(definitionId: string): Program | undefined;
}

/** `prepare` is awaited before a program is given to anybody. */
export function createPrograms(
  compile: (definitionId: string) => Promise<Program>,
  prepare: (program: Program) => Promise<void>,
): Programs {
  const programs = new Map<string, Program>();
  const compiling = new Map<string, Promise<Program>>();

  async function compileOne(definitionId: string): Promise<Program> {
    const program = await compile(definitionId);
    await prepare(program);
    if (programs.size >= programLimit) programs.delete(programs.keys().next().value!);
    programs.set(definitionId, program);
    return program;
  }

  async function load(definitionId: string): Promise<Program> {
    const known = programs.get(definitionId);
    if (known !== undefined) return known;
    let loading = compiling.get(definitionId);
    if (loading === undefined) {
      loading = compileOne(definitionId).finally(() => compiling.delete(definitionId));
      compiling.set(definitionId, loading);
    }
    return await loading;
  }

  return { load, compiled: (definitionId) => programs.get(definitionId) };
}
