/** What a page tells the frame around it: what it is about in particular, and what stands beside it. */
import type { Snippet } from 'svelte';

class Frame {
	/** Goes before the place's name in the title of the tab: «Home 7». */
	detail = $state('');
	/** Stands beside the page on a wide screen and covers it on a phone. */
	panel = $state.raw<Snippet | null>(null);

	/** Says what the page is about; gives the function that takes it back. To be called in an effect. */
	about(detail: string): () => void {
		this.detail = detail;
		return () => {
			if (this.detail === detail) this.detail = '';
		};
	}

	/** Puts a panel beside the page; gives the function that takes it away. To be called in an effect. */
	beside(panel: Snippet, detail: string): () => void {
		this.panel = panel;
		this.detail = detail;
		return () => {
			if (this.panel !== panel) return;
			this.panel = null;
			this.detail = '';
		};
	}
}

export const frame = new Frame();
