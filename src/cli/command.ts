/** What a command consists of: its line in the help, which is always there, and its body, which only its call loads. */
import type { ArgumentsCamelCase, Argv, CommandModule } from 'yargs';

/** Options, and what the command does. */
export interface CommandBody<Arguments = object> {
  builder(yargs: Argv): Argv<Arguments>;
  handler(args: ArgumentsCamelCase<Arguments>): void | Promise<void>;
}

/**
 * A command whose body is loaded when it is called: `lockstep --help` needs none of them, and a worker not the plots of
 * reports.
 *
 * @param command its name and positional arguments, as yargs has them
 * @param load gives the body, whose handler gets what its own builder has declared
 */
export function lazyCommand<Arguments>(
  command: string,
  describe: string,
  load: () => Promise<CommandBody<Arguments>>,
): CommandModule {
  return {
    command,
    describe,
    builder: async (yargs) => (await load()).builder(yargs),
    handler: async (args) => await (await load()).handler(args as ArgumentsCamelCase<Arguments>),
  };
}
