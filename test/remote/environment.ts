import { extensions } from './tools.ts'

/** Keys that no output, error or list of processes may have. */
export const keys = { id: 'AKIDNEVERSHOWN', secret: 'sEcReTnEvErShOwN', token: 'tOkEnNeVeRsHoWn' } as const

/** The environment of a command that reads from a server. */
export function environmentOf(url: string): Readonly<Record<string, string>> {
  return {
    AWS_ACCESS_KEY_ID: keys.id,
    AWS_SECRET_ACCESS_KEY: keys.secret,
    AWS_REGION: 'us-east-1',
    AWS_ENDPOINT_URL: url,
    HINGE_EMBEDDING_LOSS_DUCKDB_EXTENSIONS: extensions,
  }
}

/** Sets variables of this process; returns a function that restores them. */
export function setEnvironment(variables: Readonly<Record<string, string>>): () => void {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const)
  Object.assign(process.env, variables)
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
}
