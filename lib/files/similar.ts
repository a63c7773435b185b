/** The name that a text most likely meant, whatever its case and separators; undefined if none is near. */
export function findSimilar(text: string, names: readonly string[]): string | undefined {
  const wanted = normalize(text)
  const near = names.flatMap((name) => {
    const known = normalize(name)
    const most = Math.ceil(Math.min(wanted.length, known.length) / 3)
    const edits = countEdits(wanted, known, most)
    return edits <= most ? [{ name, edits }] : []
  })
  const [first] = near.sort((one, other) => one.edits - other.edits)
  return first?.name
}

function normalize(text: string): string {
  return text.toLowerCase().replace(/[-_\s]/g, '')
}

/** The fewest characters to insert, delete or replace that turn one text into the other; more than `most` if far apart. */
function countEdits(one: string, other: string, most: number): number {
  if (Math.abs(one.length - other.length) > most) return Number.POSITIVE_INFINITY
  let above = Array.from({ length: other.length + 1 }, (_, i) => i)
  for (const [i, character] of [...one].entries()) {
    const row = [i + 1]
    for (let j = 0; j < other.length; j++) {
      const replaced = (above[j] as number) + (character === other[j] ? 0 : 1)
      row.push(Math.min(replaced, (above[j + 1] as number) + 1, (row[j] as number) + 1))
    }
    above = row
  }
  return above[other.length] as number
}
