/** What every declaration of a command is handed. */
export interface Declaring {
  version: string;
  /** Takes the exit code of the command that ran. */
  end(work: Promise<number>): Promise<void>;
}
