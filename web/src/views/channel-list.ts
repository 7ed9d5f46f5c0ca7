import { html, nothing, type TemplateResult } from 'lit-html'
import { repeat } from 'lit-html/directives/repeat.js'
import type { Channel } from '../api/client'
import { bitrate } from '../format'
import { broadcast } from './icons'
import { empty } from './notice'
import { groundOf } from './poster'

/** The address of the page that plays a channel. */
export function livePath(channel: string): string {
  return `/live?${new URLSearchParams({ channel })}`
}

export function channelFacts({ bits_per_second: bitsPerSecond, viewers }: Channel): string[] {
  return [bitrate(bitsPerSecond), `${viewers} ${viewers === 1 ? 'viewer' : 'viewers'}`]
}

/** All channels, to choose from. */
export function channelGrid(channels: readonly Channel[]): TemplateResult {
  if (channels.length === 0)
    return empty(broadcast, 'Nothing is live at the moment', 'Channels appear here by themselves as soon as they start.')
  return html`<ul class="grid" role="list">
    ${repeat(
      channels,
      ({ id }) => id,
      (channel) => html`<li>
        <article class="card">
          <span class="poster ground-${groundOf(channel.id)}">
            <span class="poster-letter" aria-hidden="true">${channel.id}</span>
            <span class="live-badge is-live on-poster">Live</span>
          </span>
          <h2 class="card-title"><a href=${livePath(channel.id)}>${channel.id}</a></h2>
          <p class="facts">${channelFacts(channel).map((fact) => html`<span>${fact}</span>`)}</p>
        </article>
      </li>`,
    )}
  </ul>`
}

/** The channels beside the one that plays. */
export function channelRail(channels: readonly Channel[], playing: string): TemplateResult {
  if (channels.length === 0) return html`<p class="faint">Nothing is live at the moment.</p>`
  return html`<ul class="channel-rail" role="list">
    ${repeat(
      channels,
      ({ id }) => id,
      (channel) => html`<li>
        <a href=${livePath(channel.id)} aria-current=${channel.id === playing ? 'true' : nothing}>
          <span class="channel-mark ground-${groundOf(channel.id)}" aria-hidden="true"></span>
          <span>
            <strong>${channel.id}</strong>
            <span class="facts">${channelFacts(channel).map((fact) => html`<span>${fact}</span>`)}</span>
          </span>
        </a>
      </li>`,
    )}
  </ul>`
}
