import { fileError, given, message } from '../errors.ts'
import type { Scoring } from '../options.ts'
import { nameInput, optionOfInput } from '../pair.ts'

/** A file, and the type that an option's column has in it. */
interface FileType {
  readonly file: string
  readonly type: string
}

/** The error of files that have different types for an option's column. */
export function typeMismatchError(option: 'input' | 'by', options: Scoring, one: FileType, other: FileType): Error {
  const advice = option === 'by' ? '; score them apart, or CAST both to one type' : ''
  const { input, by = '' } = options
  const name = option === 'by' ? message`${given(option, by)}` : nameInput(input)
  const problem = message`${name} is ${one.type}, but ${other.type} in ${other.file}${advice}`
  const key = option === 'by' ? option : optionOfInput(input)
  return fileError(message`${one.file}: ${problem}`, { option: key, file: one.file })
}
