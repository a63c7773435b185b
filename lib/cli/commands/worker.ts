import type { Command } from 'commander'
import { importPeer } from '../../files/peers.ts'
import { runtimeInfo } from '../../index.ts'
import { explainError, formatMessage } from '../flags.ts'
import {
  type Context,
  collect,
  duckdbExtensionsOption,
  makeRequiredOption,
  parseNumber,
  programName,
} from '../options.ts'
import { notify } from '../progress.ts'

const example = `
As a service, start node_modules/.bin/${programName} itself: npx passes no SIGTERM on.

Example, on every machine that sees the files, and then on one:
  ${programName} worker --redis redis://queue.internal:6379 --root /data
  ${programName} score "/data/pairs/*.parquet" --input distance --label label --redis redis://queue.internal:6379`

interface WorkerFlags {
  readonly redis: string
  readonly concurrency: number
  readonly threads?: number
  readonly root?: readonly string[]
  readonly duckdbExtensions?: string
  readonly lease: number
  readonly grace: number
}

export function defineWorker(command: Command, { signal, streams }: Context): void {
  command
    .summary('score shards for score --redis')
    .description(
      'Scores shards for score --redis and partial --redis until SIGTERM or SIGINT, then finishes the running ones.',
    )
    .addOption(
      makeRequiredOption(
        '--redis <url>',
        'redis:// or rediss:// URL; the password may be in HINGE_EMBEDDING_LOSS_REDIS_PASSWORD instead',
      ),
    )
    .option('--concurrency <n>', 'shards at once', parseNumber, 1)
    .option('--threads <n>', 'threads for each shard (default: the processors, divided by --concurrency)', parseNumber)
    .option(
      '--root <folder...>',
      'read files in these folders and below these URLs only (default: all folders and object stores)',
      collect,
    )
    .option(...duckdbExtensionsOption)
    .option('--lease <seconds>', 'heartbeat timeout before its shards are reassigned', parseNumber, 15)
    .option('--grace <seconds>', 'time that running shards get after SIGTERM', parseNumber, 60)
    .addHelpText('after', example)
    .action(async ({ redis, root: roots, ...options }: WorkerFlags) => {
      const { runWorker } = await importPeer(import('../../bullmq/worker.ts'), 'redis')
      const tell = (message: string) => notify(streams.stderr, message)
      await runWorker(redis, {
        ...options,
        ...(roots && { roots }),
        signal,
        onReady: (queue) => tell(`version ${runtimeInfo().version} serves ${queue}`),
        onFailure: (shard, error) => tell(`shard ${shard}: ${explainError(error).message}`),
        onNote: (_note, message) => tell(formatMessage(message)),
      })
    })
}
