/**
 * Files that workers on many machines score together, through Redis.
 *
 * @module hinge-embedding-loss/bullmq
 */

export type { Group } from '../files/options.ts'
export type { FileTotals } from '../files/totals.ts'
export { decodeFailure, type FailureDetails, type NamedFile } from './failures.ts'
export { addFlow, type FlowOptions, type FlowProgress, flowOf, type PlanFlow } from './flow.ts'
export { foldResults } from './fold.ts'
export type { Shard, ShardData, ShardFile, ShardOptions, ShardPart, ShardResult } from './payload.ts'
export { parseShardData, parseShardResult } from './payload.ts'
export { type Plan, type PlanOptions, planOf } from './plan.ts'
export { type ProcessorOptions, type ShardProcessor, shardProcessor } from './processor.ts'
export { resultsOf, type WaitOptions } from './results.ts'
export { scoreOnWorkers, type WorkerScoreOptions } from './score.ts'
export { type ServeOptions, type Service, serve } from './serve.ts'
