import { Command, CommanderError } from 'commander'
import { message, optionError } from '../files/errors.ts'
import { runtimeInfo } from '../index.ts'
import { defineDuckdbExtension } from './commands/duckdb-extension.ts'
import { defineMerge } from './commands/merge.ts'
import { definePartial } from './commands/partial.ts'
import { definePlot } from './commands/plot.ts'
import { defineReport } from './commands/report.ts'
import { defineScore } from './commands/score.ts'
import { defineWorker } from './commands/worker.ts'
import { type Context, isRequired, programName } from './options.ts'
import { ReaderGone, type Streams, write } from './streams.ts'

/**
 * The commands, in the order of the help. An action imports what no help text needs: each module takes a millisecond of
 * the start.
 */
const commands: Readonly<Record<string, (command: Command, context: Context) => void>> = {
  score: defineScore,
  partial: definePartial,
  plot: definePlot,
  report: defineReport,
  merge: defineMerge,
  worker: defineWorker,
  'duckdb-extension': defineDuckdbExtension,
}

/** Parses a command line, runs its command, and returns the exit code. */
export async function runCommand(args: readonly string[], signal: AbortSignal, streams: Streams): Promise<number> {
  const { stdout, stderr } = streams
  const print: Context['print'] = (text) => write(stdout, text, signal)
  const printTotals: Context['printTotals'] = async (totals, flags) => {
    const printer = await import('./print-totals.ts')
    await printer.printTotals(totals, flags, print)
  }
  let help = ''
  const keepHelp = (text: string) => {
    help += text
  }
  const program = new Command(programName)
    .description('Scores pairs with the hinge embedding loss: exact totals of whole files.')
    .version(runtimeInfo().version)
    .exitOverride()
    .configureOutput({ writeOut: keepHelp, writeErr: keepHelp, outputError: () => {} })
  for (const [name, define] of Object.entries(commands)) {
    const command = program.command(name)
    define(command, { args, signal, streams, print, printTotals })
    refuseRepeatedOptions(command)
    const flags = command.options.filter(isRequired).map((option) => option.flags)
    command.usage(command.usage().replace('[options]', ['[options]', ...flags].join(' ')))
  }
  program.hook('preAction', (_, command) => refuseMissingOptions(command))
  try {
    await program.parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode !== 0) {
      const isHelp = error.code === 'commander.help'
      if (isHelp && args[0] === 'help') throw usageError(`unknown command '${args[1]}'`)
      if (!isHelp) throw usageError(explainUsage(error.message, program.commands))
      stderr.write(help)
      return 2
    }
    // A reader who closes the pipe has read enough of the help.
    await print(help).catch((cause) => {
      if (!(cause instanceof ReaderGone)) throw cause
    })
    return 0
  }
}

function usageError(text: string): Error {
  return optionError('argv', message`${text}`)
}

/** Refuses what commander accepts silently: a column or file given twice, and another option as a value. */
function refuseRepeatedOptions(command: Command): void {
  for (const option of command.options.filter(({ required }) => required)) {
    let isGiven = false
    command.on(`option:${option.name()}`, (value: string) => {
      // The last number or choice counts, so that a script can override its own. Two columns or files contradict each other.
      const isText = option.parseArg === undefined && !option.variadic
      if (isGiven && isText) command.error(`error: option '${option.flags}' given twice`)
      if (command.options.some(({ short, long }) => value === long || value === short)) {
        command.error(`error: option '${option.flags}' argument missing, got the option ${value}`)
      }
      isGiven = true
    })
  }
}

function refuseMissingOptions(command: Command): void {
  const values = command.opts()
  const missing = command.options.find((option) => isRequired(option) && values[option.attributeName()] === undefined)
  if (missing) command.error(`error: required option '${missing.flags}' not specified`)
}

/** Puts commander's message on one line without its prefix, and names the commands that have an unknown option. */
function explainUsage(text: string, all: readonly Command[]): string {
  const [, unknown = ''] = /unknown option '(--?[\w-]+)'/.exec(text) ?? []
  const owners = all.filter(({ options }) => options.some(({ short, long }) => [short, long].includes(unknown)))
  const advice = ` (an option of ${owners.map((owner) => owner.name()).join(', ')})`
  if (owners.length > 0) return `unknown option '${unknown}'${advice}`
  const names = all.map((command) => command.name()).join(', ')
  const commandAdvice = /unknown command '.*'$/.test(text) ? ` (the commands: ${names})` : ''
  return text.replace(/^error: /, '').replaceAll('\n', ' ') + commandAdvice
}
