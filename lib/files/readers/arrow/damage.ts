export function describeColumn(name: string): string {
  return `column ${JSON.stringify(name)}`
}

export function damagedColumn(name: string, problem: string): Error {
  return new Error(`damaged: ${describeColumn(name)} ${problem}`)
}

export const pastBuffer = 'extends past its buffer'
