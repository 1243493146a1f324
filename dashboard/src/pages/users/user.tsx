export function UserPage() { return <p>soon</p>; }
