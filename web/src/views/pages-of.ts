/** A list that is read page by page. */
export class PagesOf<Item> {
  items: Item[] = []
  state: 'loading' | 'loaded' | { failed: unknown } = 'loading'
  #next: string | undefined
  readonly #ask: (from: { cursor?: string }) => Promise<{ items: Item[]; next_cursor?: string }>
  readonly #changed: () => void

  /** `ask` answers the page at a cursor, or the first one; `changed` is called whenever there is something new to draw. */
  constructor(
    ask: (from: { cursor?: string }) => Promise<{ items: Item[]; next_cursor?: string }>,
    changed: () => void,
  ) {
    this.#ask = ask
    this.#changed = changed
  }

  get loading(): boolean {
    return this.state === 'loading'
  }

  /** Whether there is a page after those that are loaded. */
  get any(): boolean {
    return this.#next !== undefined
  }

  /** Loads the next page. */
  readonly load = async (): Promise<void> => {
    this.state = 'loading'
    this.#changed()
    try {
      const page = await this.#ask(this.#next === undefined ? {} : { cursor: this.#next })
      this.items = [...this.items, ...page.items]
      this.#next = page.next_cursor
      this.state = 'loaded'
    } catch (error) {
      this.state = { failed: error }
    }
    this.#changed()
  }
}
