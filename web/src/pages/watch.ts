import { html, nothing, type TemplateResult } from 'lit-html'
import { createRef, ref } from 'lit-html/directives/ref.js'
import { answer, api, type Video } from '../api/client'
import { sentence } from '../api/problem'
import { clock, day, resolution, size } from '../format'
import type { Visit } from '../router'
import { readVideo, type VersionedVideo } from '../versioned-video'
import { confirmed } from '../views/dialog'
import { keepDrawn } from '../views/draw'
import { editVideo } from '../views/edit-video'
import { again, bin, pencil, warning } from '../views/icons'
import { failure, toast } from '../views/notice'

export function show(visit: Visit): void {
  const id = visit.params['id'] ?? ''
  let shown: VersionedVideo | undefined
  let error: unknown
  let playerError: string | undefined
  let playAgain: (() => void) | undefined
  const container = createRef<HTMLElement>()
  const element = createRef<HTMLVideoElement>()

  const redraw = keepDrawn(visit.root, view, visit.left)
  void load()

  async function load(): Promise<void> {
    error = undefined
    redraw()
    try {
      shown = await readVideo(id, visit.left)
    } catch (reason) {
      if (visit.left.aborted) return
      error = reason
      redraw()
      return
    }
    document.title = `${shown.video.title} · Matinee`
    redraw()
    requestAnimationFrame(() => void play())
  }

  async function play(): Promise<void> {
    const [frame, video] = [container.value, element.value]
    if (!frame || !video || !shown || visit.left.aborted) return
    playerError = undefined
    redraw()
    if (playAgain) {
      playAgain()
      return
    }
    try {
      const { startPlayer } = await import('../player/player')
      if (visit.left.aborted) return
      playAgain = await startPlayer({ video: shown.video, container: frame, element: video, left: visit.left, onError })
    } catch {
      frame.classList.remove('is-loading')
      onError('The player could not be loaded. Check your connection.')
    }
  }

  function onError(text: string): void {
    playerError = text
    redraw()
  }

  function view(): TemplateResult {
    if (error)
      return html`<h1 class="visually-hidden">Watch</h1>
        ${failure(error, load, html`<a class="button" href="/">Go to the library</a>`)}`
    if (!shown)
      return html`<p class="visually-hidden" role="status">Loading…</p>
        <div class="watch" aria-hidden="true">
          <div class="screen"><div class="screen-frame skeleton"></div></div>
          <div class="skeleton line title"></div>
        </div>`
    const { video } = shown
    return html`<article class="watch">
      ${screen(video)}
      <div class="watch-head">
        <h1>${video.title}</h1>
        ${video.editable
          ? html`<div class="watch-actions">
              <button class="button" type="button" @click=${edit}>${pencil} Edit</button>
              <button class="button quiet" type="button" @click=${remove}>${bin} Delete</button>
            </div>`
          : nothing}
      </div>
      <p class="facts">${facts(video).map((fact) => html`<span>${fact}</span>`)}</p>
      ${video.description ? html`<p class="description">${video.description}</p>` : nothing}
    </article>`
  }

  function screen(video: Video): TemplateResult {
    return html`<div class="screen">
      <div class="screen-frame is-loading" ${ref(container)} ${ref((frame) => keepShape(frame, video))}>
        <video
          ${ref(element)}
          class="screen-video"
          playsinline
          preload="metadata"
          aria-label=${video.title}
          poster=${video.poster_url ?? nothing}
        ></video>
      </div>
      ${playerError
        ? html`<div class="screen-error" role="alert">
            ${warning}
            <p>${playerError}</p>
            <button class="button" type="button" @click=${() => void play()}>${again} Try again</button>
          </div>`
        : nothing}
    </div>`
  }

  async function edit(): Promise<void> {
    if (!shown) return
    const edited = await editVideo(shown, () => readVideo(id))
    if (!edited || visit.left.aborted) return
    shown = edited
    document.title = `${shown.video.title} · Matinee`
    redraw()
  }

  async function remove(): Promise<void> {
    if (!shown) return
    const { title } = shown.video
    const sure = await confirmed({
      title: `Delete “${title}”?`,
      text: 'It disappears from the library for everybody, and its files are removed. This can’t be undone.',
      yes: 'Delete it',
      no: 'Keep it',
    })
    if (!sure) return
    try {
      await answer(api.DELETE('/videos/{id}', { params: { path: { id } } }))
    } catch (reason) {
      toast(sentence(reason))
      return
    }
    toast(`“${title}” was deleted.`)
    if (!visit.left.aborted) visit.go('/', { replace: true })
  }
}

function facts(video: Video): string[] {
  const known = [day(video.created_at)]
  if (video.duration_ms !== undefined) known.push(clock(video.duration_ms))
  if (video.width !== undefined && video.height !== undefined) known.push(resolution(video.width, video.height))
  known.push(size(video.size_bytes))
  if (video.streaming === 'progressive') known.push('Original file')
  return known
}

/** The frame has the film's own shape before anything of it is loaded. */
function keepShape(frame: Element | undefined, { width, height }: Video): void {
  if (frame instanceof HTMLElement && width && height) frame.style.aspectRatio = `${width} / ${height}`
}
