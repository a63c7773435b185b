import { expect } from 'chai'
import type { ErrorDetails } from '../../lib/files.ts'

/** The details and message of an error that a program reads. */
export interface Failure extends ErrorDetails {
  readonly message: RegExp
}

/** Checks the class, the message and all details of what a promise rejects with; a message never speaks of flags. */
export async function rejects(
  promise: Promise<unknown>,
  title: string,
  { message, ...details }: Failure,
  Class: ErrorConstructor | TypeErrorConstructor | RangeErrorConstructor = Error,
): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (cause) => cause,
  )
  expect(error, title).to.be.instanceOf(Class)
  const { code, option, file, row, count } = error as ErrorDetails
  const found = Object.entries({ code, option, file, row, count }).filter(([, value]) => value !== undefined)
  expect(Object.fromEntries(found), `${title}: ${error.message}`).to.deep.equal(details)
  expect(error.message, title).to.match(message)
  expect(error.message, title).not.to.match(/(^|\s)--\w|\[object|\n/)
}
