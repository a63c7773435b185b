/** The signal of one run: it follows the caller's signal, and aborts with what a callback of the caller throws. */
export class RunSignal {
  readonly #controller = new AbortController()
  readonly #caller: AbortSignal | undefined

  constructor(caller: AbortSignal | undefined) {
    this.#caller = caller
    if (caller?.aborted) this.#follow()
    else caller?.addEventListener('abort', this.#follow)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Calls a callback of the caller, which may be async. */
  call(callback: () => unknown): void {
    if (this.signal.aborted) return
    const fail = (error: unknown) => this.#controller.abort(error)
    try {
      Promise.resolve(callback()).catch(fail)
    } catch (error) {
      fail(error)
    }
  }

  /** Follows the caller's signal no more. */
  close(): void {
    this.#caller?.removeEventListener('abort', this.#follow)
  }

  readonly #follow = () => this.#controller.abort(this.#caller?.reason)
}
