import { fileURLToPath } from 'node:url'
import { describeReaders } from './readers.ts'

const folder = fileURLToPath(new URL('fixtures', import.meta.url))

describe('files of Arrow IPC and arrays that others have written', () => describeReaders(() => folder, 4))
