import { html, nothing, type TemplateResult } from 'lit-html'
import { repeat } from 'lit-html/directives/repeat.js'
import { answer, api, type Video } from '../api/client'
import { day } from '../format'
import type { Visit } from '../router'
import { session } from '../session'
import { keepDrawn } from '../views/draw'
import { arrowUp, clapper } from '../views/icons'
import { empty, failure } from '../views/notice'
import { poster } from '../views/poster'

interface Shelf {
  ownerId: string | undefined
  videos: Video[]
  nextCursor: string | undefined
  scrollY: number
}

/** What was shown when the visitor went to a video, so that going back finds the same place. */
let left: Shelf | undefined

export function show(visit: Visit): void {
  let shelf: Shelf | undefined
  let loading = false
  let error: unknown

  const redraw = keepDrawn(visit.root, view, visit.left)
  visit.left.addEventListener('abort', () => {
    if (shelf) left = { ...shelf, scrollY: leavingScrollY }
  })
  // By the time `left` fires, the new page may have changed the scroll position.
  let leavingScrollY = 0
  addEventListener('scroll', () => (leavingScrollY = scrollY), { passive: true, signal: visit.left })

  const kept = left
  left = undefined
  if (visit.returning && kept && kept.ownerId === session.user?.id) {
    shelf = kept
    redraw()
    requestAnimationFrame(() => requestAnimationFrame(() => scrollTo(0, kept.scrollY)))
  } else void load()

  async function load(): Promise<void> {
    if (loading) return
    loading = true
    error = undefined
    redraw()
    try {
      const cursor = shelf?.nextCursor
      const page = await answer(
        api.GET('/videos', { params: { query: cursor ? { cursor } : {} }, signal: visit.left }),
      )
      const known = new Set(shelf?.videos.map((video) => video.id))
      shelf = {
        ownerId: session.user?.id,
        videos: [...(shelf?.videos ?? []), ...page.items.filter((video) => !known.has(video.id))],
        nextCursor: page.next_cursor,
        scrollY: 0,
      }
    } catch (reason) {
      if (visit.left.aborted) return
      error = reason
    }
    loading = false
    redraw()
  }

  function view(): TemplateResult {
    return html`<div class="page-head"><h1>Library</h1></div>
      ${content()}`
  }

  function content(): TemplateResult {
    if (!shelf) return error ? failure(error, load) : skeleton()
    if (shelf.videos.length === 0) return emptyLibrary()
    return html`<ul class="grid" role="list">
        ${repeat(
          shelf.videos,
          (video) => video.id,
          (video) => html`<li>${card(video)}</li>`,
        )}
      </ul>
      ${error ? failure(error, load) : more()}`
  }

  function more(): TemplateResult | typeof nothing {
    if (!shelf?.nextCursor) return nothing
    return html`<p class="more">
      <button class="button" type="button" ?disabled=${loading} @click=${load}>
        ${loading ? 'Loading…' : 'Load more'}
      </button>
    </p>`
  }
}

function card(video: Video): TemplateResult {
  return html`<article class="card">
    ${poster(video)}
    <h2 class="card-title"><a href="/watch/${encodeURIComponent(video.id)}">${video.title}</a></h2>
    <p class="faint">${day(video.created_at)}</p>
  </article>`
}

function emptyLibrary(): TemplateResult {
  return session.mayPublish
    ? empty(
        clapper,
        'Nothing on the programme yet',
        'Upload a film, and it will be here a moment later.',
        html`<a class="button primary" href="/upload">${arrowUp} Upload the first film</a>`,
      )
    : empty(clapper, 'Nothing on the programme yet', 'Films appear here as soon as somebody publishes them.')
}

function skeleton(): TemplateResult {
  return html`<p class="visually-hidden" role="status">Loading the library…</p>
    <ul class="grid" role="list" aria-hidden="true">
      ${Array.from(
        { length: 8 },
        () => html`<li class="card"><span class="poster skeleton"></span><span class="skeleton line"></span></li>`,
      )}
    </ul>`
}
