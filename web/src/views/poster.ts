import { html, nothing, type TemplateResult } from 'lit-html'
import type { Video } from '../api/client'
import { clock } from '../format'

const GROUNDS = 5

/** The poster of a video in its 16:9 frame, with the duration. Without a picture, a calm ground with the first letter. */
export function poster(video: Video): TemplateResult {
  return html`<span class="poster ground-${groundOf(video.id)}">
    <span class="poster-letter" aria-hidden="true">${firstLetter(video.title)}</span>
    ${video.poster_url
      ? html`<img src=${video.poster_url} alt="" loading="lazy" decoding="async" @error=${hideBroken} @load=${showLoaded} />`
      : nothing}
    ${video.duration_ms === undefined
      ? nothing
      : html`<span class="duration"><span class="visually-hidden">Duration </span>${clock(video.duration_ms)}</span>`}
  </span>`
}

function showLoaded(event: Event): void {
  ;(event.currentTarget as HTMLImageElement).classList.add('loaded')
}

function hideBroken(event: Event): void {
  ;(event.currentTarget as HTMLImageElement).hidden = true
}

/** The same ground for the same thing each time. */
export function groundOf(id: string): number {
  let sum = 0
  for (const character of id) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 9973
  return sum % GROUNDS
}

function firstLetter(title: string): string {
  const [segment] = new Intl.Segmenter().segment(title.trim())
  return segment?.segment.toUpperCase() ?? ''
}
