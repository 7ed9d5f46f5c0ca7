/**
 * Watches the parts of uploads that a page sends to S3, and holds some of them back, so that a test can stop an upload exactly
 * in the middle. Only the requests with a `partNumber` are looked at.
 */
export class PartGate {
  /** Part numbers whose sending began, in order, since the last `forget`. */
  started = []
  /** Part numbers that S3 has confirmed, in order. */
  arrived = []
  #page
  #lets = () => true
  #waiting = []
  #observers = new Set()

  constructor(page) {
    this.#page = page
    page.on('request', (request) => {
      const number = partNumberOf(request)
      if (number === undefined) return
      this.started.push(number)
      this.#notify()
    })
    page.on('response', (response) => {
      const number = partNumberOf(response.request())
      if (number === undefined || response.status() !== 200) return
      this.arrived.push(number)
      this.#notify()
    })
  }

  /** From now on only the parts for which `lets` is true go through; the others hang, as on a dead line. */
  async hold(lets) {
    this.#lets = lets
    await this.#page.route(isPart, async (route) => {
      const number = partNumberOf(route.request())
      while (number !== undefined && !this.#lets(number)) await new Promise((go) => this.#waiting.push(go))
      // The page may have given the request up while it was held.
      await route.continue().catch(() => undefined)
    })
  }

  /** Lets other parts through, those held back included. */
  let(lets) {
    this.#lets = lets
    for (const go of this.#waiting.splice(0)) go()
  }

  /** Interferes no more: what the page sends from now on meets the real network, preflights and all. */
  async open() {
    this.let(() => true)
    await this.#page.unroute(isPart)
  }

  forget() {
    this.started = []
    this.arrived = []
  }

  /** Resolves when `condition` holds for this gate, looked at after each part that begins or arrives. */
  until(condition) {
    return new Promise((resolve) => {
      const look = () => {
        if (!condition(this)) return
        this.#observers.delete(look)
        resolve()
      }
      this.#observers.add(look)
      look()
    })
  }

  #notify() {
    for (const look of [...this.#observers]) look()
  }
}

function isPart(url) {
  return url.searchParams.has('partNumber')
}

function partNumberOf(request) {
  if (request.method() !== 'PUT') return undefined
  const number = new URL(request.url()).searchParams.get('partNumber')
  return number === null ? undefined : Number(number)
}
