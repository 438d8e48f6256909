/** The engines' command lines: how options are read, and which status tells what. */
import { Command, InvalidArgumentError } from "commander";

/** An engine found nothing; it found something; it was called wrongly, or couldn't do its work. */
export const EXIT = { clean: 0, found: 1, failed: 2 } as const;

/** The command line of an engine; a wrong one ends the program. */
export function engine(name: string, description: string): Command {
  return new Command(name).description(description).exitOverride(({ exitCode }) =>
    Deno.exit(exitCode === 0 ? EXIT.clean : EXIT.failed)
  );
}

/** Runs an engine to its status; what it throws is printed. */
export async function run(main: () => number | Promise<number>): Promise<never> {
  try {
    Deno.exit(await main());
  } catch (error) {
    console.error(error instanceof Error ? error.stack : error);
    Deno.exit(EXIT.failed);
  }
}

export function wholeNumber(text: string): number {
  const number = Number(text);
  if (text === "" || !Number.isSafeInteger(number) || number < 0) {
    throw new InvalidArgumentError("It has to be a whole number.");
  }
  return number;
}

export function countingNumber(text: string): number {
  const number = wholeNumber(text);
  if (number < 1) throw new InvalidArgumentError("It has to be above 0.");
  return number;
}
