import type { Command } from 'commander'
import { type Context, formatExample } from '../options.ts'

export function defineDuckdbExtension(command: Command, { print }: Context): void {
  command
    .summary('print the path of the DuckDB extension')
    .description('Prints the path of the extension, for LOAD in any other DuckDB.')
    .addHelpText('after', formatExample('duckdb-extension'))
    .action(async () => {
      const { extensionPath } = await import('../../duckdb.ts')
      await print(`${extensionPath}\n`)
    })
}
