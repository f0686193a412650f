/** Which home is open: `/city?home=7` in the address, so that it can be sent, reloaded and gone back from. */
import { goto } from '$app/navigation';
import { page } from '$app/state';

class Route {
	/** The open home's id, or null. What is no whole number up to 32 bits opens nothing. */
	home = $derived(parseHome(page.url.searchParams.get('home')));

	open(home: number): void {
		void goto(`/city?home=${home}`, { reset: false });
	}

	close(): void {
		void goto('/city', { reset: false });
	}
}

function parseHome(text: string | null): number | null {
	if (text === null || !/^\d{1,10}$/.test(text)) return null;
	const home = Number(text);
	return home <= 0xffff_ffff ? home : null;
}

export const route = new Route();
