/** What the page of alerts knows. */
import { page } from '$app/state';
import { Document } from '../live/document.svelte.ts';
import type { components } from '../live/api.ts';
import { SPANS } from './alerts.ts';

const EVERY_MS = 2_000;

class Watch {
	document = new Document<components['schemas']['Alerts']>();
	alerts = $derived(this.document.value?.alerts ?? []);
	incidents = $derived(this.document.value?.incidents ?? []);
	/** How far back the line of time goes: its name in the address. */
	span = $derived(SPANS[page.url.searchParams.get('span') ?? ''] ? (page.url.searchParams.get('span') ?? '1h') : '1h');
	/** The incident that is open. */
	open = $derived(Number(page.url.searchParams.get('incident') ?? 0));

	follow(): () => void {
		return this.document.follow('/v1/alerts', EVERY_MS);
	}

	href(wanted: { span?: string; incident?: number }): string {
		const { span, incident } = { span: this.span, incident: this.open, ...wanted };
		const said = { ...(span === '1h' ? {} : { span }), ...(incident ? { incident: String(incident) } : {}) };
		const search = new URLSearchParams(said).toString();
		return `/alerts${search ? `?${search}` : ''}`;
	}
}

export const watch = new Watch();
