import { html, nothing, type TemplateResult } from 'lit-html'
import { counted } from '../format'
import { LiveChannels } from '../live-channels'
import { readUsage, type Watched } from '../live-usage'
import type { Visit } from '../router'
import { wait } from '../retry'
import { channelFacts, channelGrid, channelRail } from '../views/channel-list'
import { keepDrawn } from '../views/draw'
import { failure } from '../views/notice'
import { LiveScreen } from '../views/live-screen'

const USAGE_REFRESH_MS = 20_000

/** The channels that are live, and the one in `?channel=` playing. */
export function show(visit: Visit): void {
  const playing = visit.query.get('channel')
  const channels = new LiveChannels(visit.left)
  let watched: Watched[] | undefined
  const screen = playing === null ? undefined : new LiveScreen(playing, channels, visit.left, () => redraw())
  if (playing !== null) document.title = `${playing} live · Matinee`

  const redraw = keepDrawn(visit.root, view, visit.left)
  channels.addEventListener('changed', redraw)
  void channels.follow()
  void followUsage()
  screen?.start()

  /** It is told beside the picture, but nothing depends on it: that it can't be read is not worth a word. */
  async function followUsage(): Promise<void> {
    while (!visit.left.aborted) {
      watched = await readUsage(visit.left).catch(() => watched)
      redraw()
      await wait(USAGE_REFRESH_MS, visit.left).catch(() => undefined)
    }
  }

  function view(): TemplateResult {
    if (!screen || playing === null)
      return html`<div class="page-head"><h1>Live</h1></div>
        ${allChannels()}
        <div class="live-grid-usage">${usage()}</div>`
    const facts = channels.list?.find(({ id }) => id === playing)
    return html`<div class="live">
      <article class="watch">
        ${screen.view()}
        <div class="watch-head"><h1>${playing}</h1></div>
        <p class="facts">${facts ? channelFacts(facts).map((fact) => html`<span>${fact}</span>`) : nothing}</p>
      </article>
      <aside class="live-side">
        <section aria-labelledby="live-now">
          <h2 id="live-now">Live now</h2>
          ${channels.list ? channelRail(channels.list, playing) : html`<span class="skeleton line"></span>`}
        </section>
        ${usage()}
      </aside>
    </div>`
  }

  function allChannels(): TemplateResult {
    if (channels.list) return channelGrid(channels.list)
    if (channels.error) return failure(channels.error, () => void channels.refresh())
    return html`<p class="visually-hidden" role="status">Looking for live channels…</p>
      <ul class="grid" role="list" aria-hidden="true">
        ${[1, 2, 3].map(
          () => html`<li class="card"><span class="poster skeleton"></span><span class="skeleton line"></span></li>`,
        )}
      </ul>`
  }

  function usage(): TemplateResult | typeof nothing {
    if (!watched || watched.length === 0) return nothing
    const total = watched.reduce((sum, { seconds }) => sum + seconds, 0)
    return html`<section class="live-usage" aria-labelledby="live-usage">
      <h2 id="live-usage">Your last 24 hours</h2>
      <dl>
        ${watched.map(({ channel, seconds }) => html`<dt>${channel}</dt><dd>${counted(seconds)}</dd>`)}
        ${watched.length > 1 ? html`<dt>Together</dt><dd><strong>${counted(total)}</strong></dd>` : nothing}
      </dl>
    </section>`
  }
}
