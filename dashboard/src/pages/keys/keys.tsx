export function KeysPage() { return <p>soon</p>; }
